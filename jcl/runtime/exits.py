"""The exit statuses of every binary, besides 0."""

EXIT_FAILED = 1
EXIT_USER_ERROR = 2
EXIT_PREEMPTED = 75  # EX_TEMPFAIL of sysexits.h: the same command resumes
EXIT_LOST = 76  # a process hangs or is gone
EXIT_INTERRUPTED = 130  # Ctrl-C with nothing to save, the status that shells use
