/// What GraphiQL keeps, and for how long: a question holds the number of a person, and may not outlive the tab it was
/// asked in; a token is not kept at all, unless somebody chooses so in the settings.
const CHOICE = "graphiql:shouldPersistHeaders";
const WITH_HEADERS = ["graphiql:queries", "graphiql:favorites"]; // the history, in which GraphiQL puts them unasked

const tab = window.sessionStorage;

export const keepsHeaders = () => tab.getItem(CHOICE) === "true";

function put(key: string, value: string): void {
  const history = WITH_HEADERS.includes(key) && !keepsHeaders();
  tab.setItem(key, history ? JSON.stringify(JSON.parse(value), withoutHeaders) : value);
}

const withoutHeaders = (key: string, value: unknown) => (key === "headers" ? undefined : value);

export const kept = {
  getItem: (key: string) => tab.getItem(key),
  removeItem: (key: string) => tab.removeItem(key),
  clear: () => tab.clear(),
  get length() {
    return tab.length;
  },
  setItem(key: string, value: string) {
    put(key, value);
    if (key !== CHOICE) return;
    for (const each of WITH_HEADERS) {
      const before = tab.getItem(each);
      if (before) put(each, before);
    }
  },
};
