/// How it was decided whose record it is, in words: the codes of `Link.evidence` and `PatientCandidate.evidence`.
const WORDS: Record<string, string> = {
  "identifier:verified-equal": "same number, verified",
  "identifier:verified-superseded": "an earlier number of this person’s, verified",
  "identifier:equal": "same number, not verified there",
  "identifier:ambiguous": "same number, with another one beside it",
  "identifier:differs": "another number, not verified",
  "identifier:verified-differs": "another number, verified",
  "identifier:absent": "no number to compare",
  "identifier:not-confirmed": "number not confirmed by the authority",
  "birth-date:equal": "same date of birth",
  "birth-date:one-edit": "date of birth one slip away",
  "birth-date:differs": "another date of birth",
  "birth-date:absent": "no date of birth to compare",
  "given:exact": "same given name",
  "given:equal": "same given name",
  "given:variant": "a form of the same given name",
  "given:typo": "given name one slip away",
  "given:turned": "given and family name turned round",
  "given:differs": "another given name",
  "given:missing": "no given name to compare",
  "family:equal": "same family name",
  "family:differs": "another family name",
  "family:missing": "no family name to compare",
  "gender:equal": "same gender",
  "gender:differs": "another gender",
  "address:equal": "same home",
  "address:postcode-equal": "same postcode",
  "address:not-equal": "another home, or none stated",
  "postal-code:equal": "same postcode",
  "link:automatic": "linked by rule",
  "link:steward": "linked by a steward",
  "link:doubted": "linked before, then contradicted",
  "link:blocked": "a steward said that it is not this person",
  "source-merge:survivor-certain": "merged by the source into a record that is certain",
  "source-merge:survivor-not-certain": "merged by the source into a record that is not certain",
};

/** "same number, verified; same date of birth"; a code without words is shown as it is: "gender not stated". */
export function evidence(codes: readonly string[]): string {
  return codes.map((code) => WORDS[code] ?? code.replace(/-/g, " ").replace(":", " ")).join("; ");
}
