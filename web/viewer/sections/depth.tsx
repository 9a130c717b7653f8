/// The parts that look across the record: medicines side by side, outcomes over time, disagreements, the journey.
import type * as T from "../../types/viewer";
import { Charts } from "./charts";
import { Disagreements } from "./conflicts";
import { Discrepancies } from "./discrepancies";
import { Medicines } from "./medicines";
import { Results } from "./results";
import { Timeline } from "./timeline";
import { Transfers } from "./transfers";

export type DepthFragments = T.MedicinesFragment & T.ResultsFragment & T.ChartsFragment & T.TimelineFragment &
  T.TransfersFragment & T.DiscrepanciesFragment & T.ConflictsFragment;

export function Depth({ record }: { record: Partial<DepthFragments & T.SourcesFragment> }) {
  return (
    <>
      <Medicines record={record} />
      <Disagreements record={record} sources={record.sources} />
      <Discrepancies record={record} sources={record.sources} />
      <Charts record={record} />
      <Results record={record} />
      <Transfers record={record} sources={record.sources} />
      <Timeline record={record} sources={record.sources} />
    </>
  );
}
