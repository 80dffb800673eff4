"""Runs: their files and their list, and the fits that are made beside the open one."""
