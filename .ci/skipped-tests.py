"""Tests that a run skipped for want of a Vulkan device, and that another run did not execute: a line, or nothing.

Arguments: the results (trx) of a run without a device, and those of the run with one.
"""
import sys
import xml.etree.ElementTree as xml


def results(path):
    """(name, outcome, what the runner says) of every test of a run."""
    for row in xml.parse(path).iterfind(".//{*}UnitTestResult"):
        yield row.get("testName"), row.get("outcome"), " ".join(row.itertext())


def main(without, with_device):
    executed = {name for name, outcome, _ in results(with_device) if outcome != "NotExecuted"}
    left = sorted(name for name, outcome, said in results(without) if outcome == "NotExecuted" and "Vulkan" in said and name not in executed)
    if left:
        print(f"{len(left)}, first {left[0]}")


main(*sys.argv[1:])
