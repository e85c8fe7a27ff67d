-- uses: keys records jobs lanes
-- A standing hold is placed or lifted: given { scope, who, why, at, lift }. Answers whether there was one.
local before = call('HEXISTS', P .. '/holds', given.scope)
if given.lift then
  call('HDEL', P .. '/holds', given.scope)
else
  call('HSET', P .. '/holds', given.scope, cjson.encode({ who = given.who, why = given.why, at = given.at }))
  call('SADD', P .. '/scopes', given.scope)
end
return answer(before)
