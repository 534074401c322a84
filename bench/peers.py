#!/usr/bin/env python3
"""Measures ftx beside other ways to move files, and prints a Markdown table.

  bench/peers.py [--bin DIR] [--only ROWS] [--runs N] [--size MIB] [--files N] [--json FILE]

README.md beside this file says how to run it and how to read what it prints. It needs, on Debian:

  apt-get install nginx-light curl rsync vsftpd aria2 b3sum diffutils

and release builds: cargo build --release -p ftx-server -p ftx-client -p ftx-ffi
"""
import sys

sys.dont_write_bytecode = True

# The package `peers` beside this file, not this file: of two, Python takes the directory.
from peers.cli import main  # noqa: E402

main()
