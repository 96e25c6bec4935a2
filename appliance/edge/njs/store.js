// Signs nginx's own requests to the object store: AWS Signature Version 4 in headers, payload
// unsigned, Range unsigned (each slice has its own). nginx evaluates it only when a slice has to
// be fetched, and anew for each one: a date that is kept would be refused after 15 minutes.
//
// Source: "Authenticating Requests: Using the Authorization Header", Amazon S3 API reference.

import hash from 'crypto';
import settings from 'settings.js';

const SIGNED_HEADERS = 'host;x-amz-content-sha256;x-amz-date';
const PAYLOAD = 'UNSIGNED-PAYLOAD';

function hmac(key, text) {
    return hash.createHmac('sha256', key).update(text);
}

// The date goes to the store beside the signature, in $store_date, which nginx reads next.
function authorization(r) {
    const store = settings.store;
    const stamp = new Date().toISOString().replace(/\.\d+/, '').replace(/[-:]/g, '');
    const day = stamp.slice(0, 8);
    const scope = day + '/' + store.region + '/s3/aws4_request';
    const request = 'GET\n' + r.variables.ticket_object + '\n\n'
        + 'host:' + store.host + '\n'
        + 'x-amz-content-sha256:' + PAYLOAD + '\n'
        + 'x-amz-date:' + stamp + '\n\n'
        + SIGNED_HEADERS + '\n' + PAYLOAD;
    const toSign = 'AWS4-HMAC-SHA256\n' + stamp + '\n' + scope + '\n'
        + hash.createHash('sha256').update(request).digest('hex');
    const key = [day, store.region, 's3', 'aws4_request'].reduce(
        (previous, step) => hmac(previous, step).digest(),
        Buffer.from('AWS4' + store.secretKey));
    const value = 'AWS4-HMAC-SHA256 Credential=' + store.accessKey + '/' + scope
        + ', SignedHeaders=' + SIGNED_HEADERS
        + ', Signature=' + hmac(key, toSign).digest('hex');
    r.variables.store_date = stamp;
    r.setReturnValue(value);
    return value;
}

export default { authorization };
