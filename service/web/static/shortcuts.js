/** The editor's keys, and the card that tells them. */

import { h } from "./dom.js";

const control = (event) => event.ctrlKey || event.metaKey;
const plain = (...keys) => (event) => !control(event) && !event.altKey && keys.includes(event.key.toLowerCase());
const undone = (event) => event.key.toLowerCase() === "z" && !event.shiftKey && !event.altKey;
const redone = (event) => !event.altKey && (event.key.toLowerCase() === "y" || (event.key.toLowerCase() === "z" && event.shiftKey));

export const SHORTCUTS = [
  { command: "brush", keys: "B", text: "brush", matches: plain("b") },
  { command: "erase", keys: "E", text: "eraser", matches: plain("e") },
  { command: "polygon", keys: "P", text: "polygon", matches: plain("p") },
  { command: "fill", keys: "F", text: "fill an area", matches: plain("f") },
  { command: "pan", keys: "H", text: "move the picture, by arrow keys too", matches: plain("h") },
  { command: "smaller", keys: "[", text: "smaller brush", matches: plain("[") },
  { command: "larger", keys: "]", text: "larger brush", matches: plain("]") },
  { command: "undo", keys: "Z", text: "undo", matches: undone },
  { command: "redo", keys: "Y", text: "redo", matches: redone },
  { command: "invert", keys: "I", text: "invert", matches: plain("i") },
  { command: "clear", keys: "Delete", text: "clear", matches: plain("delete", "backspace") },
  { command: "zoomIn", keys: "+", text: "zoom in", matches: plain("+", "=") },
  { command: "zoomOut", keys: "-", text: "zoom out", matches: plain("-") },
  { command: "fit", keys: "0", text: "whole picture", matches: plain("0") },
  { command: "help", keys: "?", text: "this help", matches: plain("?") },
];
const POINTER = [
  { keys: "← ↑ → ↓", text: "move the cursor, with Shift in larger steps" },
  { keys: "Space", text: "paint at the cursor, set a corner" },
  { keys: "Enter", text: "close the polygon" },
  { keys: "Esc", text: "give up the polygon, close" },
];

/** Hidden until it is asked for. */
export function shortcutHelp() {
  const row = ({ keys, text }) => h("div", {}, h("dt", {}, h("kbd", {}, keys)), h("dd", {}, text));
  return h("aside", { class: "shortcuts", hidden: true, "aria-label": "Keyboard shortcuts" },
    h("dl", {}, ...SHORTCUTS.map(row), ...POINTER.map(row)));
}
