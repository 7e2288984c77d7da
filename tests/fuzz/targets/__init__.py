"""One module for each thing that reads what others send or write. Each gives these:

`fuzz(data)`: read the bytes, and raise where something does not hold that must hold for all bytes.
`seeds()`: inputs to begin with, so that most of what is tried comes past the first check.
`FOUND`: inputs that once broke something, by what they broke. They are tried each time.
"""
