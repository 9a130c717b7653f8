/// What has become of the latest question: the one fact that GraphiQL does not show by itself is that an answer is not
/// whole yet, or never will be.
import { useSyncExternalStore } from "react";

export type Answer =
  | { state: "none" }
  | { state: "arriving"; parts: number; waiting: string[] }
  | { state: "whole"; parts: number }
  | { state: "stopped"; waiting: string[] }
  | { state: "broken" }
  | { state: "refused" };

let latest: Answer = { state: "none" };
const watching = new Set<() => void>();

export function tell(answer: Answer): void {
  latest = answer;
  for (const watcher of watching) watcher();
}

export function useAnswer(): Answer {
  return useSyncExternalStore(
    (watcher) => {
      watching.add(watcher);
      return () => watching.delete(watcher);
    },
    () => latest,
  );
}
