/** What the service says about the shots of a class; an answer without a report shows nothing. */

import { h, percent } from "./dom.js";
import { icon } from "./icons.js";

const FLAGGED = 0.5;
const isShare = (value) => typeof value === "number" && value >= 0 && value <= 1;
const listOf = (value) => (Array.isArray(value) ? value : []);
const wordsOf = (warning) => String(warning?.message ?? warning ?? "");

/**
 * Elements for the warnings and the report of a class.
 * @param {{notes: string[], report: Object|null}} shown
 * @param {(threshold: number) => void} useThreshold
 */
export function reportOf({ notes, report }, useThreshold) {
  const warnings = [...new Set([...notes, ...listOf(report?.warnings).map(wordsOf)])].filter(Boolean);
  return [
    scores(listOf(report?.shots).filter((shot) => isShare(shot?.iou))),
    list(warnings),
    report?.suggestion ? h("p", { class: "suggestion" }, String(report.suggestion)) : null,
    isShare(report?.threshold) ? calibrated(report.threshold, useThreshold) : null,
  ].filter(Boolean);
}

function scores(shots) {
  if (!shots.length) return null;
  const rows = shots.map(({ shot, iou, suspicion }, place) => {
    const name = `Shot ${Number.isInteger(shot) ? shot : place}`;
    return h("li", { class: suspicion >= FLAGGED ? "flagged" : false },
      h("span", {}, name),
      h("meter", { min: 0, max: 1, value: iou, "aria-label": `${name}, IoU` }),
      h("span", { class: "number" }, percent(iou)));
  });
  return h("ol", { class: "shot-scores", "aria-label": "How well the other shots find each one (IoU)" }, ...rows);
}

function list(warnings) {
  if (!warnings.length) return null;
  return h("ul", { class: "warnings" }, ...warnings.map((text) => h("li", {}, icon("warn"), h("span", {}, text))));
}

function calibrated(threshold, useThreshold) {
  const label = `Use the threshold of its shots, ${threshold.toFixed(2)}`;
  return h("button", { type: "button", class: "button small", onclick: () => useThreshold(threshold) }, label);
}
