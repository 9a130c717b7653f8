/// The questions that can be picked: those of docs/questions, as they are, with variables that fit the demonstration.
import ward from "../../docs/questions/1-ward.graphql?raw";
import diabetes from "../../docs/questions/2-diabetes.graphql?raw";
import liver from "../../docs/questions/3-liver.graphql?raw";
import gp from "../../docs/questions/4-gp.graphql?raw";
import sources from "../../docs/questions/5-sources.graphql?raw";
import first from "./first.graphql?raw";

export interface Question {
  title: string;
  asks: string;
  document: string;
  variables?: Record<string, string>;
}

const MICHAEL = { nhsNumber: "9994071009" };
const DAY_MS = 24 * 3600 * 1000;
const day = (fromNow: number) => new Date(Date.now() + fromNow * DAY_MS).toISOString().slice(0, 10);

export const FIRST = first;

export const QUESTIONS: Question[] = [
  {
    title: "A first look",
    asks: "Who is he, what must I know, who else is involved? In parts, each when its systems have answered.",
    document: first,
  },
  {
    title: "The ward sister, at 02:10",
    asks: "Who is he, what does he take and when did he last take it, what must I know, who else is involved and how do I reach them?",
    document: ward,
    variables: MICHAEL,
  },
  {
    title: "The diabetes clinic",
    asks: "HbA1c, glucose, weight, insulin and contacts on one time axis.",
    document: diabetes,
    variables: MICHAEL,
  },
  {
    title: "The liver clinic",
    asks: "Liver tests and platelets of every laboratory in one series, no sample counted twice.",
    document: liver,
    variables: MICHAEL,
  },
  {
    title: "His GP, on Monday",
    asks: "Everything since I last saw him, in order; and what does my own record not have?",
    document: gp,
    variables: { ...MICHAEL, since: day(-90), until: day(366), mine: "gp" },
  },
  {
    title: "Anybody: who was heard?",
    asks: "Which systems answered, which did not, which hold something back, how old is each answer?",
    document: sources,
    variables: MICHAEL,
  },
];
