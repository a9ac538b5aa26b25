"""Whether the program is ending, whose errors then say nothing of the work of a server in it."""

import threading


def is_program_ending() -> bool:
    """Whether the program's main thread has ended; other threads may run a little longer.

    Executors refuse new work then, modules that use threads cannot be imported, and Python 3.12.0 to 3.12.2 refuse new
    threads.
    """
    return not threading.main_thread().is_alive()
