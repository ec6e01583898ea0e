/** Colours of classes: apart from one another, and on light, dark and photographs alike. */

const COLOURS = [
  [44, 123, 255], [226, 48, 140], [30, 168, 92], [240, 110, 30],
  [128, 84, 230], [0, 168, 184], [214, 158, 0], [206, 44, 58],
  [120, 148, 30], [156, 98, 60],
];

/** [red, green, blue] of the class that was the `number`-th, from 0. */
export const colourOf = (number) => COLOURS[number % COLOURS.length];

/** The same for a style sheet. */
export const css = ([red, green, blue]) => `rgb(${red} ${green} ${blue})`;
