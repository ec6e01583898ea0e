/** Elements made without markup: text from outside can only ever become text. */

/**
 * A new element.
 * @param {string} tag
 * @param {Object} attributes `on*` are listeners, `style` is an object of properties; false and
 *     null leave an attribute out, true sets it empty.
 * @param {...(Node|string|null|false)} children
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) set(element, name, value);
  element.append(...children.filter((child) => child !== null && child !== false));
  return element;
}

function set(element, name, value) {
  if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
  else if (name === "style") for (const [key, entry] of Object.entries(value)) element.style.setProperty(key, entry);
  else if (value !== false && value !== null && value !== undefined) {
    element.setAttribute(name, value === true ? "" : value);
  }
}

/** The element of an id that the page is known to have. */
export const byId = (id) => document.getElementById(id);

/**
 * Brings the children of a list up to date and keeps those that stay, and with them the focus.
 * @param {(item: any) => Element} make for an item that is new.
 * @param {(element: Element, item: any) => void} update for every item.
 */
export function keyed(list, items, key, make, update) {
  const kept = new Map([...list.children].map((child) => [child.key, child]));
  const children = items.map((item) => {
    const element = kept.get(key(item)) ?? Object.assign(make(item), { key: key(item) });
    update(element, item);
    return element;
  });
  for (const child of [...list.children]) if (!children.includes(child)) child.remove();
  children.forEach((child, place) => {
    if (list.children[place] !== child) list.insertBefore(child, list.children[place] ?? null);
  });
}

/** Calls once the calls have ceased for a while. */
export function debounced(milliseconds, call) {
  let timer = 0;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => call(...values), milliseconds);
  };
}

/** `3 images`, `1 image`. */
export const count = (number, noun, many = `${noun}s`) => `${number} ${number === 1 ? noun : many}`;

/** A share of one as whole percent. */
export const percent = (share) => `${Math.round(share * 100)} %`;
