"""Whole trainings, timed in turns with other libraries.

Each contestant has a process of its own, which waits while another has its turn. All
start from the same weights and take the same batches in the same order, and their
losses must agree before anything is timed.
"""
