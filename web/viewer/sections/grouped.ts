/** Items by their key, in the order in which each key was first seen. */
export function grouped<Item, Key>(items: readonly Item[], key: (item: Item) => Key): Map<Key, Item[]> {
  const found = new Map<Key, Item[]>();
  for (const item of items) {
    const of = key(item);
    const group = found.get(of);
    if (group) group.push(item);
    else found.set(of, [item]);
  }
  return found;
}
