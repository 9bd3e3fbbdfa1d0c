"""Amazon Web Services, where we run on them; boto3 comes with the Lambda runtime."""
