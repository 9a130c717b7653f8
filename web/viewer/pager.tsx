/// Pages: Previous and Next with the place among all. One page replaces another, so that the document stays small.
import { useState } from "preact/hooks";
import type { Pages } from "./client";

interface Props {
  /** What is paged, for those who hear the button alone: "Problems". */
  title: string;
  pages: Pages;
  shown: number;
  total: number;
}

export function Pager({ title, pages, shown, total }: Props) {
  if (!pages.busy && !pages.failed && !pages.previous && !pages.next && shown >= total) return null;
  return (
    <nav class="pager" aria-label={`${title}, pages`}>
      <button disabled={!pages.previous} onClick={pages.previous}>
        Previous<span class="hidden"> page of {title}</span>
      </button>
      <p role="status">
        {pages.busy ? "Asking ..." : pages.failed ? "This page did not arrive" : place(pages.before, shown, total)}
      </p>
      <button disabled={!pages.next || pages.busy} onClick={pages.next}>
        Next<span class="hidden"> page of {title}</span>
      </button>
    </nav>
  );
}

function place(before: number, shown: number, total: number): string {
  return shown === 0 ? `Showing none of ${total}` : `Showing ${before + 1} to ${before + shown} of ${total}`;
}

/** The pages of a list that has arrived whole. */
export function useSlices<Entry>(all: readonly Entry[], size: number): [readonly Entry[], Pages] {
  const [wanted, turnTo] = useState(0);
  const before = wanted < all.length ? wanted : 0;
  return [
    all.slice(before, before + size),
    {
      before,
      busy: false,
      failed: false,
      ...(before > 0 && { previous: () => turnTo(before - size) }),
      ...(before + size < all.length && { next: () => turnTo(before + size) }),
    },
  ];
}
