"""Archives: recordings by the million, heard by Ray Data on one machine or many, into Parquet.

`sottovoce archive` runs it; extra `archive`. The driver plans what is missing (`plan`), workers
(`work`) each keep one process that hears (`listener`, `child`) and write parts of a table
(`schema`) into the folder of the archive (`job`); docs/archive.md describes it.
"""
