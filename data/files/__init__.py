"""Files: images read, tables written and read, anything written whole or not at all.

In: paths. Out: pixels, columns, bytes on the disk.
May import data.ground.
A change prepares, trains and evaluates everything again that reads or writes through it.
"""
