"""Prints the quality and the cost of the merge."""

import sys

from bench.merge import cost, quality


def main() -> None:
    people = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    for line in quality.lines(people):
        print(line)
    print()
    cost.main()


if __name__ == "__main__":
    main()
