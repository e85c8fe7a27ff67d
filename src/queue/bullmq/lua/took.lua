-- uses: keys records jobs lanes acts settling leases took
-- After moveToActive: given { lane, lease }.
return answer(took(given.lane, given.lease))
