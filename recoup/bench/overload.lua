-- wrk script: POST the lines of a file in turn, each caller after a pause of chance, so that together they ask at a
-- rate that does not wait for answers; tell as one line of JSON what came of it once the warm seconds were over.
-- Arguments: the file, the mean pause and the warm seconds. Each line asks about one loan, and no two about the same.
local clock = require("ffi")
clock.cdef([[
  typedef struct { long seconds; long nanoseconds; } moment;
  int clock_gettime(int clock, moment *now);
]])
local MONOTONIC, now = 1, clock.new("moment")
local threads, requests, loans, asked_at, turn = {}, {}, {}, {}, 0
local mean_pause_ms, begin
milliseconds, others, shed, bare = {}, {}, 0, 0

local function seconds()
  clock.C.clock_gettime(MONOTONIC, now)
  return tonumber(now.seconds) + tonumber(now.nanoseconds) * 1e-9
end

function setup(thread)
  threads[#threads + 1] = thread
end

function init(args)
  for line in io.lines(args[1]) do
    requests[#requests + 1] = wrk.format("POST", nil, nil, line)
    loans[#loans + 1] = line:match('"loan_ids": %["([^"]+)"%]')
  end
  mean_pause_ms = tonumber(args[2]) * 1e3
  begin = seconds() + tonumber(args[3])
end

function delay()
  return math.floor(0.5 - mean_pause_ms * math.log(1 - math.random()))
end

function request()
  turn = turn % #requests + 1
  asked_at[loans[turn]] = seconds()
  return requests[turn]
end

function response(status, headers, body)
  local came_at = seconds()
  if status ~= 200 and status ~= 429 and status ~= 503 then
    others[tostring(status)] = (others[tostring(status)] or 0) + 1
  elseif status ~= 200 and not (headers["Retry-After"] or headers["retry-after"]) then
    bare = bare + 1
  elseif came_at < begin then
    return
  elseif status == 200 then
    milliseconds[#milliseconds + 1] = (came_at - asked_at[body:match('"loan_id":"([^"]+)"')]) * 1e3
  else
    shed = shed + 1
  end
end

function done(summary, latency)
  local errors, told = summary.errors, {}
  for _, thread in ipairs(threads) do
    for _, took in ipairs(thread:get("milliseconds")) do
      told[#told + 1] = string.format("%.3f", took)
    end
    for status, count in pairs(thread:get("others")) do
      others[status] = (others[status] or 0) + count
    end
    shed, bare = shed + thread:get("shed"), bare + thread:get("bare")
  end
  local strange = {}
  for status, count in pairs(others) do
    strange[#strange + 1] = string.format('"%s":%d', status, count)
  end
  io.write(string.format('\n{"milliseconds":[%s],"shed":%d,"others":{%s},"bare":%d,"lost":%d}\n',
    table.concat(told, ","), shed, table.concat(strange, ","), bare,
    errors.connect + errors.read + errors.write + errors.timeout))
end
