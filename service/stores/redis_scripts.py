"""Lua scripts of the Redis store; each is one atomic step.

Keys of a session, in the order in which scripts take them:

1. a hash, which expires as a whole: `version` (a random value, new with each change), `model`,
   `created` (ms), `next` (number of the last chunk), `index` (JSON: classes in order, each with
   `name`, `shots`, `bytes` and the numbers of its `chunks`), and the chunks, `chunk:N`, each the
   supports of one registration as `codec.encode_supports` writes them; `bytes` is the `sum` of
   those of the chunks, or, where these differ in `kind`, the `most` that they can take together;
2. the sessions of its owner, a sorted set by the time of expiry (ms);
3. the bytes of each of them, a hash;
4. of a write that is to happen once, its receipt: a hash of the request's `fingerprint` and of the
   id of the `session` it changed, which expires as a whole.

The second and third are kept only where owners are told apart. Every script begins with the
arguments TTL (ms) and whether the owner counts, and answers with a word first: `ok` and what was
asked for, `unknown`, or what is in the way. Times are the server's, so replicas need not agree on
theirs.
"""

_PRELUDE = """
local session, expiries, sizes = KEYS[1], KEYS[2], KEYS[3]
local ttl, owned = tonumber(ARGV[1]), ARGV[2] == '1'
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local function touch(bytes)
  redis.call('PEXPIRE', session, ttl)
  if not owned then return end
  -- Fails when Redis is full, which must not keep anybody from reading.
  redis.pcall('ZADD', expiries, now + ttl, session)
  redis.call('PEXPIRE', expiries, ttl)
  if bytes then redis.call('HSET', sizes, session, bytes) end
  redis.call('PEXPIRE', sizes, ttl)
end

local function disown(key)
  redis.call('ZREM', expiries, key)
  redis.call('HDEL', sizes, key)
end

local function position(index, name)
  for i, entry in ipairs(index) do
    if entry.name == name then return i end
  end
end

local function drop_chunks(entry)
  for _, number in ipairs(entry.chunks) do redis.call('HDEL', session, 'chunk:' .. number) end
end

local function save(index, version, ...)
  local bytes = 0
  for _, entry in ipairs(index) do bytes = bytes + entry.bytes end
  local text = #index == 0 and '[]' or cjson.encode(index)
  redis.call('HSET', session, 'index', text, 'version', version, ...)
  touch(bytes)
end
"""

# Nothing more -> ok. What a query does, on a session that is never there: to be refused as one is,
# for want of rights, by a replica, or for a disk that fails. A full Redis, which reads, allows it.
PROBE = (
    _PRELUDE
    + """
redis.call('HGET', session, 'version')
touch()
return {'ok'}
"""
)

# Nothing more -> ok, version, now. Who holds another version fetches the hash.
TOUCH = (
    _PRELUDE
    + """
local version = redis.call('HGET', session, 'version')
if not version then return {'unknown'} end
touch()
return {'ok', version, now}
"""
)

# Nothing more -> ok, index. Who fetches the hash learns from it how much that is.
INDEX = (
    _PRELUDE
    + """
if redis.call('EXISTS', session) == 0 then return {'unknown'} end
return {'ok', redis.call('HGET', session, 'index') or ''}
"""
)

# New version, the request as JSON (`redis_write.write_change`), then for each of its classes the
# chunk. Mode `whole` makes the session again.
# -> ok, version before or '', now, created; or done, id of the session that was changed.
WRITE = (
    _PRELUDE
    + """
local receipt, version, request = KEYS[4], ARGV[3], cjson.decode(ARGV[4])
local before_chunks = 4 -- arguments

-- The answer to a change that was made already, or whose receipt is of another one.
local function answer_of_receipt()
  if not receipt then return end
  local made = redis.call('HMGET', receipt, 'fingerprint', 'session')
  if not made[1] then return end
  if made[1] ~= request.fingerprint then return {'reused'} end
  return {'done', made[2]}
end

-- Puts the classes into the index, with chunks numbered on from `last`; returns the entries that
-- gave way.
local function merge(index, last)
  local stale = {}
  for i, class in ipairs(request.classes) do
    local at = position(index, class.name) or #index + 1
    local entry = index[at]
    if not entry or request.mode == 'replace' then
      if entry then stale[#stale + 1] = entry end
      entry = {name = class.name, shots = 0, bytes = 0, sum = 0, most = 0, chunks = {}}
    end
    entry.shots = entry.shots + class.shots
    entry.sum = (entry.sum or entry.bytes) + class.bytes
    entry.most = (entry.most or entry.bytes) + class.most
    entry.kind = (entry.kind or class.kind) == class.kind and class.kind or 'mixed'
    entry.bytes = entry.kind == 'mixed' and entry.most or entry.sum
    entry.chunks[#entry.chunks + 1] = last + i
    index[at] = entry
  end
  return stale
end

local function broken_owner_limit(total)
  for _, gone in ipairs(redis.call('ZRANGEBYSCORE', expiries, '-inf', now)) do disown(gone) end
  local others, held, all = 0, total, redis.call('HGETALL', sizes)
  -- Where Redis evicts, it may have dropped one of the two and not the other.
  local complete = redis.call('ZCARD', expiries) >= #all / 2
  for i = 1, #all, 2 do
    if not (complete or redis.call('ZSCORE', expiries, all[i])) then
      redis.call('HDEL', sizes, all[i])
    elseif all[i] ~= session then others, held = others + 1, held + tonumber(all[i + 1]) end
  end
  if others >= request.max_owner_sessions then return 'owner_sessions' end
  if held > request.max_owner_bytes then return 'owner_bytes' end
end

-- The limit that a session with this index would break.
local function broken_limit(index)
  if #index > request.max_classes then return 'classes' end
  local total = 0
  for _, entry in ipairs(index) do
    if entry.shots > request.max_shots then return 'shots' end
    total = total + entry.bytes
  end
  if total > request.max_bytes then return 'session_bytes' end
  if owned then return broken_owner_limit(total) end
end

local function store(index, last, created, stale)
  -- If Redis is full, it fails here, with nothing lost.
  redis.call('HSET', session, 'model', request.model)
  if request.mode == 'whole' then redis.call('DEL', session) end
  for _, entry in ipairs(stale) do drop_chunks(entry) end
  for i = 1, #request.classes do
    redis.call('HSET', session, 'chunk:' .. (last + i), ARGV[before_chunks + i])
  end
  last = last + #request.classes
  save(index, version, 'model', request.model, 'created', created, 'next', last)
  if receipt then
    redis.call('HSET', receipt, 'fingerprint', request.fingerprint, 'session', request.session)
    redis.call('PEXPIRE', receipt, ttl)
  end
end

local answered = answer_of_receipt()
if answered then return answered end
local known = redis.call('HMGET', session, 'version', 'model', 'created', 'next', 'index')
local index, last, created = {}, 0, request.created or now
if request.mode ~= 'whole' then
  if not known[1] then return {'unknown'} end
  if known[2] ~= request.model then return {'model'} end
  index, last, created = cjson.decode(known[5]), tonumber(known[4]), known[3]
end
local stale = merge(index, last)
local limit = broken_limit(index)
if limit then return {limit} end
store(index, last, created, stale)
return {'ok', known[1] or '', now, tonumber(created)}
"""
)

# New version, class name -> ok.
DELETE_CLASS = (
    _PRELUDE
    + """
local known = redis.call('HGET', session, 'index')
if not known then return {'unknown'} end
local index = cjson.decode(known)
local at = position(index, ARGV[4])
if not at then return {'class'} end
local gone = table.remove(index, at)
save(index, ARGV[3]) -- if Redis is full, it fails here, with nothing lost
drop_chunks(gone)
return {'ok'}
"""
)

DELETE = (
    _PRELUDE
    + """
if redis.call('DEL', session) == 0 then return {'unknown'} end
if owned then disown(session) end
return {'ok'}
"""
)
