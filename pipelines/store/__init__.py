"""Where machines without a common disk leave files for each other: S3, or a shared folder.

In: params.yaml's `storage` and `s3`, files. Out: files whole and verified, or errors in words; a
node's cache of what it needs.
May import: host, recipe; the only room that knows boto3.
A change in here re-runs: nothing; what comes is what was sent, or it is refused.
"""
