"""Engines that know names as Presidio configures them (spaCy, Stanza, transformers, GLiNER), each in a process of its own.

`configuration` reads what a policy says of one, `house` is our side of its process, `child` the process. The process imports
Presidio whole, with torch where there is one, and reaches for nothing in the network.
"""
