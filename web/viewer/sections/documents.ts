/// A document and of the fragments only those that it needs: a document may not have others (GraphQL, 5.5.1.4).

export function only(operation: string, ...files: string[]): string {
  const fragments = new Map(
    files
      .join("\n")
      .split(/^(?=fragment )/m)
      .flatMap((text) => {
        const name = /^fragment (\w+)/.exec(text)?.[1];
        return name ? [[name, text.replace(/^#.*$/gm, "").trim()] as const] : [];
      }),
  );
  const needed = new Map<string, string>();
  const gather = (text: string): void => {
    for (const [, name] of text.matchAll(/\.\.\.(\w+)/g)) {
      const found = fragments.get(name!);
      if (found && !needed.has(name!)) {
        needed.set(name!, found);
        gather(found);
      }
    }
  };
  gather(operation);
  return [operation, ...needed.values()].join("\n");
}
