/** Icons as strokes on a grid of 24, drawn here so that no file has to be asked for. */

const NAMESPACE = "http://www.w3.org/2000/svg";
const PATHS = {
  add: "M12 5v14M5 12h14",
  brush: "M9.5 14.5 19 5a1.8 1.8 0 0 1 2.5 2.5L12 17M9 14a4 4 0 0 0-4 4c0 1.5-1 2.500-2.500 3 3 1 9.500 0 9.500-4A3 3 0 0 0 9 14",
  clear: "M4 7h16M9 7V4h6v3M6.500 7l1 13h9l1-13",
  close: "M6 6l12 12M18 6 6 18",
  edit: "M4 20l1-4L16 5l3 3L8 19l-4 1M14 7l3 3",
  erase: "M8 20h12M4.500 14.500 14 5l6 6-8.500 9H8l-3.500-3.500a1.400 1.400 0 0 1 0-2M9 10l6 6",
  eye: "M2.500 12S6 5.500 12 5.500 21.500 12 21.500 12 18 18.500 12 18.500 2.500 12 2.500 12M12 9a3 3 0 1 0 0 6 3 3 0 0 0 0-6",
  eyeOff: "M4 4l16 16M9.500 6A9 9 0 0 1 12 5.500c6 0 9.500 6.500 9.500 6.500a17 17 0 0 1-3 3.700M6 7.800A16 16 0 0 0 2.500 12S6 18.500 12 18.500a9 9 0 0 0 4-.9",
  fill: "M5 12l7-7 7 7-7 7-7-7M12 5 9 2M5 12h14M20.500 16s1.500 2 1.500 3.200a1.500 1.500 0 0 1-3 0C19 18 20.500 16 20.500 16",
  fit: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
  help: "M9 9a3 3 0 1 1 4.200 2.800c-.8.400-1.200 1-1.200 2.200M12 17.500v.1M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18",
  invert: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18M12 3v18M12 8l6-1M12 12.500l9-1M12 17l7-1",
  pan: "M12 3v18M3 12h18M9 6l3-3 3 3M9 18l3 3 3-3M6 9l-3 3 3 3M18 9l3 3-3 3",
  polygon: "M5 9l8-5 7 6-3 9H8zM5 9v.1M13 4v.1M20 10v.1M17 19v.1M8 19v.1",
  redo: "M15 5l4 4-4 4M19 9H9a5 5 0 0 0 0 10h4",
  undo: "M9 5 5 9l4 4M5 9h10a5 5 0 0 1 0 10h-4",
  warn: "M12 4 2.500 20h19zM12 10v5M12 17.500v.1",
  zoomIn: "M10.500 4a6.500 6.500 0 1 0 0 13 6.500 6.500 0 0 0 0-13M15.500 15.500 21 21M10.500 7.500v6M7.500 10.500h6",
  zoomOut: "M10.500 4a6.500 6.500 0 1 0 0 13 6.500 6.500 0 0 0 0-13M15.500 15.500 21 21M7.500 10.500h6",
};

/** The icon of a name; what it means must be said by the element around it. */
export function icon(name) {
  const svg = document.createElementNS(NAMESPACE, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(NAMESPACE, "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}
