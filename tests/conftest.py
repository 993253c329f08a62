"""Configuration of all tests."""

import signal

# A shell's background job ignores interrupts, and so would all processes that a test starts to interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
