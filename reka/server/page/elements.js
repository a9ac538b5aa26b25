// Small helpers to build and find elements. Text goes in as text nodes alone, so nothing of it is ever markup.

/** Find an element of the page by its id. */
export const byId = (id) => document.getElementById(id);

/**
 * Build an element.
 * @param {string} tag
 * @param {object} properties `class`, `on...` listeners; any other name is an attribute; null and false leave one out.
 * @param {...(Node|string)} children
 */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** Show a message in an element that is hidden without one. */
export function showMessage(element, message) {
  element.textContent = message ?? "";
  element.hidden = !message;
}

/** A duration for people, from milliseconds. */
export const seconds = (milliseconds) =>
  milliseconds < 1000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toFixed(1)} s`;

/** A size for people, from bytes. */
export function size(bytes) {
  const units = ["bytes", "KB", "MB", "GB"];
  let value = bytes;
  let unit = 0;
  for (; value >= 1000 && unit < units.length - 1; unit += 1) value /= 1000;
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

/** "1 chunk", "2 chunks". */
export const count = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
