"""The object store: what we ask of it, under which names, with which rights.

Rights (policies.py writes them; provision.py gives them; each is tested with the others removed)

    signer   s3:PutObject                       bucket/blobs/*   the only one in URLs
    control  s3:PutObject (create, complete),   bucket/blobs/*   never in a URL
             s3:GetObject (HEAD, copy sources),
             s3:DeleteObject, s3:AbortMultipartUpload, s3:ListMultipartUploadParts
             s3:ListBucket, s3:ListBucketMultipartUploads   bucket
    edge     s3:GetObject                       bucket/blobs/*   optionally by source address
    scrub    s3:GetObject                       bucket/blobs/*
             s3:ListBucket, s3:GetBucketTagging   bucket (the tag says what was provisioned)
    backup   s3:GetObject                       bucket/blobs/*   its own, to be taken away alone
             s3:ListBucket                      bucket
    root     everything; used by provision.py and by nothing that runs afterwards

Keys (keys.py)

    blobs/{space}/{random}              one upload; 16 hex digits, 32 hex digits
    blobs/{space}/{random}/{upload}     a member of a batch, 16 hex digits; one LIST shows them all

A key holds 128 random bits, is used once and never written again with other bytes: the edge's
cache needs no purge and a replayed URL changes nothing.

Limits of S3 that the rest of the program obeys (domain's part plan; the store's word is final)

    parts                10,000 at most; all but the last at least 5 MiB as stored
    single PUT, part     5 GiB at most
    LIST, DELETE         1,000 keys a call
    presigned URL        7 days at most

What the two stores do differently

    ListParts            MinIO tells each part's SHA-256, SeaweedFS doesn't
    a part sent twice    MinIO lists the last, SeaweedFS lists both in no fixed order
    a missing marker     MinIO lists no part above one that isn't there (parts.py)
    Complete twice       MinIO answers NoSuchUpload, SeaweedFS as to the first
    list of uploads      MinIO lists those of one exact key only (or, without a prefix, those begun
                         since it started); SeaweedFS lists by prefix
    copy-source header   MinIO obeys it unsigned, SeaweedFS refuses it (403); on a PUT signed by the
                         signer both refuse, as it can't read
    unsigned trailers    MinIO takes such a PUT without checking its signature (CVE-2026-41145), so
                         nginx must never pass x-amz-content-sha256; SeaweedFS refuses it
    source address       MinIO believes X-Forwarded-For, SeaweedFS takes the connection's: where the
                         edge credential is bound to addresses, nginx must pass no such header
    a full disk          MinIO says so (StoreFull), SeaweedFS answers 500 (StoreUnavailable)
    new rights           MinIO at once; SeaweedFS when it starts or gets SIGHUP

Only this room imports aiobotocore, botocore or minio; their errors end here (errors.py).
"""
