/** Says that the session has ended, and registers its classes again with one click. */

import { byId, count } from "./dom.js";
import { attempt, tell } from "./notices.js";

/** @param {import("./session.js").Session} session */
export function offerRevival(session) {
  const button = byId("revive");
  const render = () => {
    const { lost } = session;
    const able = revivable(session).length;
    byId("ended").hidden = !lost.length;
    byId("ended-text").textContent = words(lost.length, able);
    button.hidden = !able;
    button.textContent = `Register ${count(able, "class", "classes")} again`;
  };
  const revive = async () => {
    // Not disabled: it would lose the focus.
    if (button.getAttribute("aria-disabled") === "true") return;
    button.setAttribute("aria-disabled", "true");
    await reviveAll(session);
    button.removeAttribute("aria-disabled");
  };
  button.addEventListener("click", revive);
  session.addEventListener("change", render);
}

const revivable = (session) => session.lost.filter(({ held }) => held.length);

/** One that the service refuses now keeps none of the others. */
async function reviveAll(session) {
  let done = 0;
  for (const known of revivable(session)) if (await attempt(() => session.revive(known))) done++;
  if (done) tell(`${count(done, "class is", "classes are")} registered again.`);
}

function words(lost, able) {
  const ended = `${count(lost, "class", "classes")} ${lost === 1 ? "is" : "are"} not registered any more.`;
  const kept = "What was found and painted stays here and can be downloaded.";
  if (lost === able) return `${ended} ${kept}`;
  const which = able ? ` of ${count(lost - able, "class", "classes")}` : "";
  return `${ended} ${kept} The photographs${which} are not in this tab: add shots in step 1.`;
}
