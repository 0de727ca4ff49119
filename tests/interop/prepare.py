"""Prepares a server: prepare.py ENDPOINT BUCKET [SWITCH]

Makes the bucket, a role, a role to assume, a user who may do what the tests do and a user without any policy, with the keys
that each server takes while it checks nothing (or takes as its root). Prints the keys as one line of JSON. SWITCH is
the address at which moto is told, last of all, to check every request from then on.
"""

import json
import sys
import urllib.request

import boto3

endpoint, bucket, *switch = sys.argv[1:]
ALLOWED = ["firehose:*", "s3:*", "sts:AssumeRole"]


def client(service):
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


def policy(**statement):
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]})


def make_user(name, allowed):
    iam.create_user(UserName=name)
    if allowed:
        document = policy(Action=allowed, Resource="*")
        iam.put_user_policy(UserName=name, PolicyName="allowed", PolicyDocument=document)
    made = iam.create_access_key(UserName=name)["AccessKey"]
    return [made["AccessKeyId"], made["SecretAccessKey"]]


iam = client("iam")
client("s3").create_bucket(Bucket=bucket)
trust = policy(Principal={"Service": "firehose.amazonaws.com"}, Action="sts:AssumeRole")
role = iam.create_role(RoleName="firehose", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
anyone = policy(Principal={"AWS": "*"}, Action="sts:AssumeRole")
assumed = iam.create_role(RoleName="assumed", AssumeRolePolicyDocument=anyone)["Role"]["Arn"]
iam.put_role_policy(RoleName="assumed", PolicyName="allowed", PolicyDocument=policy(Action=ALLOWED, Resource="*"))
made = {"role": role, "assumed": assumed, "writer": make_user("writer", ALLOWED), "stranger": make_user("stranger", [])}
for address in switch:
    plain = {"Content-Type": "text/plain"}
    urllib.request.urlopen(urllib.request.Request(address, data=b"0", headers=plain, method="POST")).close()
print(json.dumps(made))
