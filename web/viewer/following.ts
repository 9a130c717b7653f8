/// Whether the sources still say what is on the screen. Each update is compared with it, so that nothing is missed that
/// came before the subscription or while there was none. A page that nobody sees holds no connection: of those a browser
/// gives one gateway six (HTTP/1.1), and a seventh page would wait for ever.
import type { CombinedError } from "@urql/core";
import { useEffect, useState } from "preact/hooks";
import type { UpdatesSubscription, VersionsFragment } from "../types/viewer";
import { type Identifier, subscribe } from "./client";
import updates from "./documents/updates.graphql";

const MOST_TRIES = 7; // about a minute and a half, in which a gateway is started anew
const STEADY_MS = 60_000;
const NETWORK = ["online", "offline"]; // known at once, where the silence of a connection takes its time

export type Versions = VersionsFragment["versions"];

export interface Following {
  /** LOST: told nothing more, and `why` is the code of docs/reference/errors.md; null where nobody answers. */
  state: "NOT_YET" | "FOLLOWING" | "TRYING" | "LOST";
  why: string | null;
  /** What the sources said when last heard. */
  now: Versions;
}

/** Follows what the sources say from when `shown` is there, which is of the record on the screen, until it is another. */
export function useFollowing(identifier: Identifier, shown: Versions | undefined): Following {
  const before: Following = { state: "NOT_YET", why: null, now: shown ?? [] };
  const [heard, setHeard] = useState({ of: shown, ...before });
  useEffect(() => {
    if (!shown) return;
    const set = (change: Partial<Following>) =>
      setHeard((last) => ({ ...(last.of === shown ? last : { of: shown, ...before }), ...change }));
    let end = () => {};
    let timer = 0;
    let tries = 0;
    const begin = () => {
      const begun = Date.now();
      end = subscribe<UpdatesSubscription>(updates, { identifier }, ({ data, error, hasNext }) => {
        if (data && hasNext && !error)
          return set({ state: "FOLLOWING", why: null, now: data.patientUpdates.patient.versions });
        end();
        if (Date.now() - begun > STEADY_MS) tries = 0;
        if (isRefused(error) || tries === MOST_TRIES) return set({ state: "LOST", why: codeOf(error) });
        set({ state: "TRYING", why: codeOf(error) });
        timer = setTimeout(begin, 1000 * 2 ** tries++ * (0.5 + Math.random() / 2)); // not all pages at once
      });
    };
    const look = () => {
      clearTimeout(timer);
      end();
      tries = 0;
      setHeard((last) => (last.of === shown && last.state === "FOLLOWING" ? { ...last, state: "TRYING" } : last));
      if (!document.hidden) begin();
    };
    look();
    document.addEventListener("visibilitychange", look);
    for (const network of NETWORK) addEventListener(network, look);
    return () => {
      document.removeEventListener("visibilitychange", look);
      for (const network of NETWORK) removeEventListener(network, look);
      clearTimeout(timer);
      end();
    };
  }, [shown]);
  return heard.of === shown ? heard : before;
}

/** The gateway's own word. Where nobody answers, or the gateway ends, it is worth trying again. */
function isRefused(error: CombinedError | undefined): boolean {
  return Boolean(error?.graphQLErrors.length);
}

function codeOf(error: CombinedError | undefined): string | null {
  return (error?.graphQLErrors[0]?.extensions.code as string | undefined) ?? null;
}
