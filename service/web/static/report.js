/** What the service says about the shots of a class, in words beside the shots themselves. */

const FLAGGED = 0.5;
// The service names shots by number, and the page by their photographs. The worst come first.
const WORDS = {
  probably_inverted: "Seems to mark the background instead of the object. Edit the mask and invert it.",
  probably_shifted: "Does not seem to lie on the object. Draw it again, or check that it belongs to this image.",
  unlike_others: "Unlike the other shots: perhaps another class, or a poor mask.",
  nearly_full_mask: "Leaves hardly any background. Use an image that shows some around the object.",
  nearly_empty_mask: "Marks hardly anything: under 0.05 % of the image. Mask the whole object.",
  tiny_mask: "The object is tiny: under 0.5 % of the image. Unless the images to search show it as small, use one that shows it larger.",
  touches_every_border: "Touches every border. Add images in which the whole object is in view.",
  low_agreement: "The shots are poorly found, by each other or in their own image. Add images like those to search; where these are unlike photographs, fit to them: see Options.",
};
const RANKS = Object.keys(WORDS);
// The background does, and the object is not to blame.
const OF_BACKGROUND = new Set(["nearly_full_mask", "touches_every_border"]);
const NAMED = /\b(?:shots?|images|masks)\s?\[?\d/;
const OF_A_FILE = /^(?:images|masks)\[(\d+)\]: (.*)$/s;

const isShare = (value) => typeof value === "number" && value >= 0 && value <= 1;
const listOf = (value) => (Array.isArray(value) ? value : []);
const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/**
 * Something to look at; `shot` counts from 0, null: the class as a whole.
 * @typedef {{shot: number|null, text: string}} Remark
 */

/**
 * What a registration was warned of beside its report.
 * @param {{warnings: string[], report: Object|null}} answer
 * @param {number} first shot of the class that came with the request.
 * @returns {Remark[]}
 */
export function notesOf({ warnings, report }, first) {
  const said = new Set(listOf(report?.warnings).map((each) => each?.message));
  const notes = listOf(warnings).map(String).filter((text) => !said.has(text)).map((text) => ofAShot(text, first));
  // What the report says of a shot too, it says in the same words.
  return notes.filter(({ shot, text }) => !said.has(`shots[${shot}]: ${text}`));
}

function ofAShot(text, first) {
  const [, place, words] = OF_A_FILE.exec(text) ?? [];
  if (!place) return { shot: null, text };
  const named = words.replace(/\b(?:images|masks)\[(\d+)\]/g, (_, other) => `shot ${first + Number(other) + 1}`);
  return { shot: first + Number(place), text: named };
}

/** All there is to look at in a class. @param {{notes: Remark[], report: Object|null}} shown @returns {Remark[]} */
export function remarksOf({ notes, report }) {
  const found = listOf(report?.warnings).filter(Boolean);
  const inverted = new Set(found.filter(({ code }) => code === "probably_inverted").map(({ shot }) => shot));
  const telling = found.filter(({ code, shot }) => !(inverted.has(shot) && OF_BACKGROUND.has(code)));
  const warnings = telling.sort((one, other) => rank(one) - rank(other)).map(({ code, shot, message }) => ({
    shot: Number.isInteger(shot) ? shot : null,
    text: WORDS[code] ?? String(message ?? ""),
  }));
  return [...warnings, ...notes].filter(({ text }) => text).map(({ shot, text }) => ({ shot, text: capital(text) }));
}

const rank = ({ code }) => (code in WORDS ? RANKS.indexOf(code) : RANKS.length);

const judgedOf = (report) => listOf(report?.shots).filter((each) => isShare(each?.iou));

/** What the scores of the shots are, in words above them. */
export function headingOf(report) {
  const judged = judgedOf(report);
  if (!judged.length) return "Shots";
  // A shot without others is judged by what is found in its own mirror image.
  if (!judged.some((each) => each.predicted_from === 0)) return "Shots, as the others find them (IoU)";
  return judged.length === 1 ? "Shot, as its own mirror image finds it (IoU)" : "Shots, as others or their own mirror image find them (IoU)";
}

/** The scores of the shots that were judged, by shot. @returns {Map<number, {iou: number, flagged: boolean}>} */
export function scoresOf(report) {
  return new Map(judgedOf(report).map(({ shot, iou, suspicion }, place) =>
    [Number.isInteger(shot) ? shot : place, { iou, flagged: suspicion >= FLAGGED }]));
}

/** What to do next, but for what is said of single shots. @returns {string} */
export function suggestionOf(report) {
  const sentences = String(report?.suggestion ?? "").split(/(?<=\.)\s+/);
  return sentences.filter((each) => !NAMED.test(each) && !each.includes("adapt=")).join(" ");
}

/** @returns {string} empty where there is no threshold of its own. */
export function thresholdOf(report) {
  return isShare(report?.threshold) ? `Automatic uses the threshold ${report.threshold.toFixed(2)} for it.` : "";
}
