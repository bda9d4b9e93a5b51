"""What a run learned, as one page; read from the files of the run directory alone."""

from reeltune.report.demo import write_demo_report
from reeltune.report.run import write_run_report

__all__ = ["write_demo_report", "write_run_report"]
