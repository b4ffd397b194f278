"""Photos, videos and streams as frames, and what is drawn and written of their people.

In: paths, folders, addresses, cameras; poses of frames. Out: frames one after another; overlays,
videos, poses.json, poses.csv. May import host, store, pictures, intake. A change re-runs nothing:
only `predict` asks for it.
"""
