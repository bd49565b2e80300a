// Making elements: text is always text, so nothing that a model wrote can become markup here.

const PROPERTIES = new Set(["value", "checked", "disabled", "hidden", "open", "selected", "required"]);

/** An element; `props.on` holds listeners, null and false attributes are left out, null children too. */
export function el(tag, props = {}, ...children) {
  return filled(document.createElement(tag), props, children);
}

export function svg(tag, props = {}, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", tag), props, children);
}

function filled(node, props, children) {
  for (const [name, value] of Object.entries(props)) {
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
    } else if (PROPERTIES.has(name)) {
      node[name] = value;
    } else if (value !== null && value !== undefined && value !== false) {
      node.setAttribute(name, value === true ? "" : String(value));
    }
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export function button(text, onClick, props = {}) {
  return el("button", { type: "button", on: { click: onClick }, ...props }, text);
}

let fields = 0;

/** A form field under its label; the hint describes it and is no part of its name. */
export function labelled(text, field, hint) {
  field.id ||= `field-${fields++}`;
  if (hint) field.setAttribute("aria-describedby", `${field.id}-hint`);
  const note = hint ? el("small", { id: `${field.id}-hint` }, hint) : null;
  return el("div", { class: "field" }, el("label", { for: field.id }, text), field, note);
}

/** "3 min ago", with the exact time as the element's title. */
export function timeAgo(iso, now = Date.now()) {
  const seconds = Math.max(0, (now - Date.parse(iso)) / 1000);
  const steps = [
    [60, 1, "s"],
    [3600, 60, "min"],
    [86400, 3600, "h"],
    [Infinity, 86400, "d"],
  ];
  const [, unit, name] = steps.find(([limit]) => seconds < limit);
  const words = seconds < 5 ? "now" : `${Math.floor(seconds / unit)} ${name} ago`;
  return el("time", { datetime: iso, title: new Date(iso).toLocaleString() }, words);
}

/** Calls `draw` at most once a frame, however often it is asked for; also where no frame is ever painted. */
export function oncePerFrame(draw) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    const go = () => {
      if (!asked) return;
      asked = false;
      draw();
    };
    if (document.hidden) setTimeout(go, 50);
    else requestAnimationFrame(go);
  };
}
