"""The `fastmath` command: options, messages and exit codes.

The commands stay thin: they check their options, call the other rooms and print the result. No other room may import
this one.
"""
