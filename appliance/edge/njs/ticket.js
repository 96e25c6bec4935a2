// Whether a download ticket opens its object. The twin of appliance/domain/tickets.py: same
// checks, same order, same verdicts (tests/edge/vectors.json). Runs on njs 0.7.9 and later, and
// on QuickJS: no require(), no js_preload_object, one default export.
//
// Traps this is written around:
// - On njs 0.7.9 a value given to r.setReturnValue() stays and answers every later js_set of the
//   same request, so each handler ends in answer(), which does both.
// - An async function that never awaits makes the variable "[object Promise]", so the exported
//   handler is a plain function.
// - An imported key can't be kept from request to request; a verified token can, in the shared
//   dictionary where there is one. Only the signature is remembered; conditions are checked anew.

import hash from 'crypto';
import settings from 'settings.js';

const LONGEST_TOKEN = 4096;
const LONGEST_TEXT = 1024;
const LARGEST_NUMBER = 9007199254740991;
const CLOCK_SKEW_SECONDS = 60;

const TOKEN = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{86}$/;
const KEY_ID = /^[A-Za-z0-9_-]{1,32}$/;
const OBJECT = /^\/[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]\/blobs(\/[0-9A-Za-z_-]+)+$/;
const TYPE = /^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}\/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}(; ?charset=[A-Za-z0-9_-]{1,40})?$/;
const BACK = /^\/api\/v1\/[A-Za-z0-9._~!$&'()*+,;=:@%\/?-]*$/;
const ADDRESS = /^[0-9a-fA-F:.]{2,45}$/;
const HASH = /^[0-9a-f]{64}$/;
const SURROGATE_ESCAPE = /(^|[^\\])(\\\\)*\\u[dD][89a-fA-F]/;
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;

const HEADER_FIELDS = ['alg', 'kid', 'typ'];
const REQUIRED = ['aud', 'obj', 'exp', 'iat', 'ep', 'fn', 'ct', 'dp', 'back'];
const SERVED = REQUIRED.concat(['ip', 'ck']);

function has(object, name) {
    return Object.prototype.hasOwnProperty.call(object, name);
}

// njs's $ also matches before a final newline (it is PCRE's), which would end in a header.
function matches(pattern, text) {
    return typeof text === 'string' && pattern.test(text) && !CONTROL.test(text);
}

function decodePart(part) {
    const raw = Buffer.from(part, 'base64url');
    return raw.toString('base64url') === part ? raw : null;
}

// Bytes that aren't UTF-8 would come back changed, so they are told by encoding again.
function decodeObject(raw) {
    const text = raw.toString('utf8');
    if (Buffer.compare(Buffer.from(text, 'utf8'), raw) !== 0 || SURROGATE_ESCAPE.test(text)) {
        return null;
    }
    let found = null;
    try {
        found = JSON.parse(text);
    } catch (e) {
        return null;
    }
    return found !== null && typeof found === 'object' && !Array.isArray(found) ? found : null;
}

function openToken(token) {
    if (!token) {
        return { fault: 'missing' };
    }
    if (token.length > LONGEST_TOKEN || !matches(TOKEN, token)) {
        return { fault: 'malformed' };
    }
    const parts = token.split('.');
    const head = decodePart(parts[0]);
    const payload = decodePart(parts[1]);
    const signature = decodePart(parts[2]);
    if (head === null || payload === null || signature === null) {
        return { fault: 'malformed' };
    }
    const fields = decodeObject(head);
    if (fields === null || !Object.keys(fields).every(name => HEADER_FIELDS.includes(name))) {
        return { fault: 'malformed' };
    }
    if (!matches(KEY_ID, fields.kid) || typeof fields.alg !== 'string') {
        return { fault: 'malformed' };
    }
    return {
        fault: '',
        kid: fields.kid,
        algorithm: fields.alg,
        signed: parts[0] + '.' + parts[1],
        signature: signature,
        payload: payload
    };
}

function isNumber(value) {
    return typeof value === 'number' && Number.isInteger(value)
        && value >= 0 && value <= LARGEST_NUMBER;
}

function shapeFault(claims) {
    if (!REQUIRED.every(name => has(claims, name))
        || !['aud', 'obj', 'fn', 'ct', 'back'].every(name => typeof claims[name] === 'string')
        || !['exp', 'iat', 'ep'].every(name => isNumber(claims[name]))
        || (claims.dp !== 'inline' && claims.dp !== 'attachment')
        || (has(claims, 'ip') && !matches(ADDRESS, claims.ip))
        || (has(claims, 'ck') && !matches(HASH, claims.ck))) {
        return 'malformed';
    }
    return '';
}

function size(text) {
    return Buffer.from(text, 'utf8').length;
}

function contentFault(claims) {
    if (claims.aud !== 'stowbay-edge') {
        return 'wrong-audience';
    }
    if (!matches(OBJECT, claims.obj)) {
        return 'bad-object';
    }
    const sound = size(claims.fn) > 0 && size(claims.fn) <= LONGEST_TEXT
        && !CONTROL.test(claims.fn)
        && matches(TYPE, claims.ct)
        && size(claims.back) <= LONGEST_TEXT
        && matches(BACK, claims.back);
    return sound ? '' : 'bad-text';
}

function conditionFault(r, claims, now) {
    if (claims.iat > now + CLOCK_SKEW_SECONDS) {
        return 'not-yet';
    }
    if (has(claims, 'ip') && claims.ip !== r.variables.remote_addr) {
        return 'wrong-address';
    }
    if (has(claims, 'ck')) {
        const cookie = r.variables.cookie_stowbay_bind;
        if (!cookie || hash.createHash('sha256').update(cookie).digest('hex') !== claims.ck) {
            return 'wrong-cookie';
        }
    }
    return '';
}

// RFC 8187: what encodeURIComponent leaves as it is and a parameter's value may not hold.
function disposition(claims) {
    const name = encodeURIComponent(claims.fn).replace(/['()*]/g,
        c => '%' + c.charCodeAt(0).toString(16).toUpperCase());
    return claims.dp + "; filename*=UTF-8''" + name;
}

function judge(r, payload) {
    const claims = decodeObject(payload);
    if (claims === null) {
        return 'malformed';
    }
    const now = Date.now() / 1000;
    let fault = shapeFault(claims);
    if (!fault && !Object.keys(claims).every(name => SERVED.includes(name))) {
        fault = 'unsupported';
    }
    fault = fault || contentFault(claims);
    if (!fault && !claims.obj.startsWith('/' + settings.bucket + '/blobs/')) {
        fault = 'bad-object';
    }
    fault = fault || conditionFault(r, claims, now);
    if (fault) {
        return fault;
    }
    if (claims.exp <= now) {
        r.variables.ticket_back = claims.back;
        return 'expired';
    }
    r.variables.ticket_object = claims.obj;
    r.variables.ticket_type = claims.ct;
    r.variables.ticket_disposition = disposition(claims);
    return 'ok';
}

function answer(r, verdict) {
    r.variables.ticket_answer = verdict;
    r.setReturnValue(verdict);
    return verdict;
}

async function prove(r, opened, key, mark) {
    let good = false;
    try {
        const imported = await crypto.subtle.importKey(
            settings.keyFormat, Buffer.from(key.material, 'base64url'),
            { name: 'ECDSA', namedCurve: 'P-256' }, false, ['verify']);
        good = await crypto.subtle.verify(
            { name: 'ECDSA', hash: 'SHA-256' }, imported, opened.signature,
            Buffer.from(opened.signed));
    } catch (e) {
        good = false;
    }
    if (good && mark) {
        ngx.shared.tickets.set(mark, key.material);
    }
    answer(r, good ? judge(r, opened.payload) : 'bad-signature');
}

function verdict(r) {
    const token = r.variables.arg_t;
    const opened = openToken(token);
    if (opened.fault) {
        return answer(r, opened.fault);
    }
    if (!has(settings.keys, opened.kid)) {
        return answer(r, 'unknown-key');
    }
    const key = settings.keys[opened.kid];
    if (opened.algorithm !== key.algorithm) {
        return answer(r, 'wrong-algorithm');
    }
    let mark = '';
    if (settings.dictionary) {
        mark = hash.createHash('sha256').update(token).digest('base64url');
        if (ngx.shared.tickets.get(mark) === key.material) {
            return answer(r, judge(r, opened.payload));
        }
    }
    return prove(r, opened, key, mark);
}

export default { verdict };
