#!/usr/bin/env python3
"""Measures ftx and other programs that transfer files, and prints a Markdown table.

  bench/peers.py [--bin DIR] [--only ROWS] [--runs N] [--size MIB] [--files N] [--json FILE]

README.md beside this file says how to run it and how to read its output. It needs, on Debian:

  apt-get install nginx-light curl rsync vsftpd aria2 b3sum diffutils openssh-server openssh-client

and release builds: cargo build --release -p ftx-server -p ftx-client -p ftx-ffi
"""
import sys

sys.dont_write_bytecode = True

# Imports the package `peers` beside this file: Python prefers the directory to the file.
from peers.cli import main  # noqa: E402

main()
