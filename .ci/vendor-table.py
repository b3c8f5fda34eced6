"""Kernels as vendors' compilers build them: a Markdown table of `portable bench pipelines --json` reports, one a device.

A cell is "registers" of the largest kernel of a shader, and "registers, N spilled" where any went to memory. Exits with 1 where a
device that is accepted without spills has some: AMD's, whose defaults keep everything in registers.
"""
import json
import sys

CLEAN = ("AMD", "Radeon")


def main(paths):
    reports = []
    for path in paths:
        try:
            reports.append(json.load(open(path)))
        except ValueError:
            print(f"vendor: {path} is no report", file=sys.stderr)
            return 1
    shaders = sorted({row["shader"] for report in reports for row in report["rows"]})
    print("| shader | " + " | ".join(report["device"].split(" (RADV")[0] for report in reports) + " |")
    print("|---" * (len(reports) + 1) + "|")
    failed = False
    for shader in shaders:
        cells = []
        for report in reports:
            rows = [row for row in report["rows"] if row["shader"] == shader]
            registers = max((row["registers"] for row in rows), default=0)
            spills = max((row["spills"] for row in rows), default=0)
            cells.append("–" if not rows else (str(registers) if registers else "0" if spills else "clean") + (f", {spills} spilled" if spills else ""))
            if spills and report["device"].startswith(CLEAN):
                print(f"vendor: {shader} spills {spills} registers on {report['device']}", file=sys.stderr)
                failed = True
        print(f"| {shader} | " + " | ".join(cells) + " |")
    slowest = ", ".join(f"{report['device'].split(' (RADV')[0]} {max(row['seconds'] for row in report['rows']):.1f} s" for report in reports)
    print(f"\nThe slowest kernel to build: {slowest}. Drivers: {', '.join(sorted({report['driver'] for report in reports}))}.")
    return 1 if failed else 0


sys.exit(main(sys.argv[1:]))
