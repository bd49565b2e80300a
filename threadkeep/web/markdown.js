// A model's Markdown as elements. Everything in it is hostile: it is sanitised, and nothing of it loads from elsewhere.

import { marked } from "./vendor/marked.esm.js";
import DOMPurify from "./vendor/purify.es.mjs";

const RULES = {
  // What Markdown makes, and no more: no ids or names (they could shadow the page's own), no forms, no styles.
  ALLOWED_TAGS: [
    "a",
    "b",
    "blockquote",
    "br",
    "code",
    "del",
    "details",
    "em",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "i",
    "img",
    "kbd",
    "li",
    "ol",
    "p",
    "pre",
    "s",
    "span",
    "strong",
    "sub",
    "summary",
    "sup",
    "table",
    "tbody",
    "td",
    "th",
    "thead",
    "tr",
    "u",
    "ul",
  ],
  ALLOWED_ATTR: ["href", "src", "alt", "title", "start", "colspan", "rowspan", "align"],
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  ALLOWED_URI_REGEXP: /^(?:https?:|mailto:|data:image\/(?:png|jpeg|gif|webp);|#)/i,
  RETURN_DOM_FRAGMENT: true,
};

/** A fragment; links open in a new tab that knows nothing of this one. */
export function rendered(text) {
  const fragment = DOMPurify.sanitize(marked.parse(text, { gfm: true, breaks: true, async: false }), RULES);
  for (const link of fragment.querySelectorAll("a[href]")) {
    link.target = "_blank";
    link.rel = "noopener noreferrer nofollow";
  }
  for (const image of fragment.querySelectorAll("img")) {
    if (!image.getAttribute("src")?.startsWith("data:")) {
      image.replaceWith(`[image: ${image.alt || image.getAttribute("src") || "without a source"}]`);
    }
  }
  for (const wide of fragment.querySelectorAll("pre, table")) wide.tabIndex = 0; // scrolls by keyboard
  return fragment;
}
