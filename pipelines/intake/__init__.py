"""Raw data brought in and checked: downloads, links, every row and image once, tables, quarantine.

In: a source in params.yaml, or a data set that makes its own. Out: data/store/raw/NAME with its
manifest, data/store/prepared/NAME with tables, summary and preview. May import: host, recipe,
store, pictures. A change in here re-runs: fetch of all data sets (`sources` and what it reaches),
prepare of all (`preparing` and what it reaches but the preview), and what follows where results
differ.
"""
