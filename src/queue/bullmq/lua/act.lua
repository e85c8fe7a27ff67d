-- uses: keys records jobs lanes acts
-- An operator's act on deliveries: given { act, who, why, on = { { id, n, r } } }. Answers how many
-- recipients it reached, and how many are under way.
local done, busy = 0, 0
for _, each in ipairs(given.on) do
  local wish = { act = given.act, who = given.who, why = given.why, r = each.r }
  local what, reached = act(each.id, each.n, wish)
  if what == 'done' then done = done + reached end
  if what == 'busy' then busy = busy + reached end
end
return answer({ done, busy })
