"""Fetches all objects under a prefix: fetch.py ENDPOINT BUCKET PREFIX FOLDER

With the keys of the environment. Each object becomes a file of FOLDER.
"""

import pathlib
import sys

import boto3

endpoint, bucket, prefix, folder = sys.argv[1:]
s3 = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
number = 0
for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
    for entry in page.get("Contents", []):
        body = s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()
        (pathlib.Path(folder) / f"{number:06}").write_bytes(body)
        number += 1
print(f"objects {number}")
