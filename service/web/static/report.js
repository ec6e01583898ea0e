/** What the service says about the shots of a class. */

import { h, percent } from "./dom.js";
import { icon } from "./icons.js";

/** Words for a warning, whatever shape it has. */
function words(warning) {
  if (typeof warning === "string") return warning;
  return String(warning?.message ?? warning?.detail ?? warning?.code ?? "");
}

/** Elements for a class's warnings and report; none where all is well and nothing was measured. */
export function reportOf({ notes, report }) {
  const shots = Array.isArray(report?.shots) ? report.shots : [];
  const told = [...notes, ...(report?.warnings ?? []).map(words), report?.suggestion ? String(report.suggestion) : ""];
  const said = [...new Set(told.filter(Boolean))];
  return [
    shots.length ? h("ol", { class: "shot-scores", "aria-label": "How well each shot is found by the others" }, ...shots.map(score)) : null,
    said.length ? h("ul", { class: "warnings" }, ...said.map((text) => h("li", {}, icon("warn"), h("span", {}, text)))) : null,
  ].filter(Boolean);
}

function score(shot, place) {
  const iou = typeof shot?.iou === "number" ? Math.min(1, Math.max(0, shot.iou)) : null;
  const text = iou === null ? "–" : percent(iou);
  const wrong = (shot?.warnings ?? []).map(words).filter(Boolean).join(" ");
  return h("li", { title: wrong || false },
    h("span", {}, `Shot ${place + 1}`),
    h("meter", { min: 0, max: 1, low: 0.4, high: 0.6, optimum: 1, value: iou ?? 0, "aria-label": `IoU of shot ${place + 1}` }),
    h("span", { class: "number" }, text),
    wrong ? h("p", { class: "shot-warning" }, wrong) : null);
}
