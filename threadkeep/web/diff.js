// What differs between two JSON values, path by path; list items with ids are compared by their ids.

/** `[{path, before, after}]`; `before` or `after` is undefined for what came or went. */
export function differences(before, after, path = []) {
  if (Object.is(before, after)) return [];
  const [one, other] = [keyed(before), keyed(after)];
  if (!one || !other || one.list !== other.list) {
    return JSON.stringify(before) === JSON.stringify(after) ? [] : [{ path: path.join(" > "), before, after }];
  }
  const names = [...new Set([...one.items.keys(), ...other.items.keys()])];
  return names.flatMap((name) => differences(one.items.get(name), other.items.get(name), [...path, name]));
}

function keyed(value) {
  if (value === null || typeof value !== "object") return null;
  if (!Array.isArray(value)) return { list: false, items: new Map(Object.entries(value)) };
  const ids = value.map((item) => (typeof item?.id === "string" ? item.id : null));
  const unique = ids.every((id) => id !== null) && new Set(ids).size === ids.length;
  return {
    list: true,
    items: new Map(value.map((item, place) => [unique ? nameOf(item, place) : String(place), item])),
  };
}

function nameOf(item, place) {
  return `${place} (${item.type ?? item.task ?? item.id})`;
}
