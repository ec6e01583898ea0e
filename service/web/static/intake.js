/** How pictures come in: chosen, dropped or pasted. */

// The button that chose the last picture, and a slider, have the focus too.
const TEXT_FIELDS = "textarea, input:not([type=file], [type=range], [type=checkbox])";

/**
 * Makes a place take files.
 * @param {HTMLElement} place where they may be dropped.
 * @param {HTMLInputElement} input by which they may be chosen.
 * @param {(files: File[]) => void} take
 */
export function takeFiles(place, input, take) {
  input.addEventListener("change", () => {
    // A copy: the list empties with the field, which must take the same file again.
    const files = [...input.files];
    input.value = "";
    if (files.length) take(files);
  });
  let depth = 0;
  const mark = (change) => {
    depth = Math.max(0, depth + change);
    place.classList.toggle("dropping", depth > 0);
  };
  place.addEventListener("dragenter", () => mark(1));
  place.addEventListener("dragleave", () => mark(-1));
  place.addEventListener("dragover", (event) => event.preventDefault());
  place.addEventListener("drop", (event) => {
    event.preventDefault();
    mark(-depth);
    if (event.dataTransfer.files.length) take([...event.dataTransfer.files]);
  });
}

/** Pictures pasted anywhere but into a dialog; into a field goes what comes with words. */
export function takePasted(take) {
  document.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    const worded = event.clipboardData?.types.includes("text/plain") && event.target.closest(TEXT_FIELDS);
    if (!files.length || worded || document.querySelector("dialog[open]")) return;
    event.preventDefault();
    take(files);
  });
}

/** A file dropped beside the places would replace the page. */
export function ignoreOtherDrops() {
  for (const name of ["dragover", "drop"]) document.addEventListener(name, (event) => event.preventDefault());
}
